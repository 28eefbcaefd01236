// The command line: --key=value, in any order.
#pragma once

#include "libc.h"

struct Arguments {
  static constexpr int kMaxInputs = 64;

  const char* library = nullptr;
  const char* model = nullptr;
  int threads = 1;
  bool xnnpack = true;  // else the builtin kernels
  const char* inputs[kMaxInputs] = {};
  int input_count = 0;  // 0: every input is seeded
  uint32_t seed = 1;
  double interval = 0.01;  // 0: sample until a limit
  uint32_t min_samples = 30;
  uint32_t max_samples = 100000;
  uint64_t max_ns = 20000000000;
  uint64_t warmup_max_ns = 2000000000;
  uint64_t cpu_mask = 0;  // 0: as inherited
  uint32_t profile = 0;   // inferences to profile in the place of samples; 0: none
  bool flags_given = false;
  uint32_t xnnpack_flags = 0;  // in the place of XNNPACK's own defaults
  const char* weight_cache = nullptr;
  const char* outputs = nullptr;  // where their bytes go
  uint32_t memory = 0;            // inferences until it is steady; 0: no memory pass
  bool usage = false;             // tell who used the processor while sampling
};

// Ends the process when the contract is another one, or when an argument is unknown, given twice,
// ill-formed or missing.
Arguments parse_arguments(int count, char** values);
