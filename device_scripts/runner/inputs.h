// What the inputs hold: seeded values, or the bytes of a file.
#pragma once

#include "arguments.h"
#include "session.h"

void fill_inputs(Session& session, const Arguments& arguments);

// CRC-32 as in zlib, of the bytes of a tensor.
uint32_t crc32(const void* bytes, size_t size);

// The sum of the elements, or not finite when the type is not a number.
double sum(const void* bytes, size_t size, const ElementType& type);
