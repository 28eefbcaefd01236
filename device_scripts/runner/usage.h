// Who used the processor between two moments: this process, or anyone.
#pragma once

#include "libc.h"

// Where the counters stood when it began.
struct UsageMark {
  uint64_t wall_ns = 0, own_ns = 0;
  int64_t busy_ticks = -1;  // -1: not told
};

struct Usage {
  bool told = false;
  uint64_t wall_ns = 0;
  uint64_t own_ns = 0;   // CPU time of this process, all threads
  uint64_t busy_ns = 0;  // CPU time of every process and interrupt; at least own_ns
};

UsageMark begin_usage();

// Not told where the kernel tells no ticks, or too few went by to say anything.
Usage end_usage(const UsageMark& begun);
