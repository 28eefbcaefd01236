// What the outputs held, as a file.
#pragma once

#include "session.h"

// Writes the raw bytes of all outputs, in order, one after the other, to a file that is made or
// emptied. Ends the process when that fails.
void write_outputs(Session& session, const char* path);
