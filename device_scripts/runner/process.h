// What the kernel says of this process: memory, and the cores that it may use.
#pragma once

#include "libc.h"

// The start of a file, as text; false when it can't be read.
bool read_start(const char* path, char* text, size_t size);

// The next whole number, behind blanks, and *at behind it; -1 when something else stands there.
int64_t next_whole(const char** at);

// The highest resident set so far (VmHWM) in kB, or -1 when it can't be read.
long peak_memory_kb();

// The cores that a thread may run on, as hexadecimal digits.
struct CpuMask {
  char digits[260];
};

// Binds this thread, and all that it starts, to the cores of the mask; 0 leaves it as inherited.
// Returns what was obtained. Ends the process when the kernel refuses.
CpuMask bind_to(uint64_t mask);
