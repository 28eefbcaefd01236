// The memory of this process after each step, for --memory.
#pragma once

#include "libc.h"

// In kB; -1: can't be read.
struct MemoryAt {
  int64_t peak_kb;  // the highest resident set so far
  int64_t pss_kb;   // resident now, each shared page divided among the processes that share it
};

struct MemorySteps {
  MemoryAt baseline, load, compile, first, steady;
};

MemoryAt memory_now();
