// Which operator takes how long, from LiteRT's own profiler.
#pragma once

#include "sampling.h"
#include "session.h"

// One operator, in the order that they ran.
struct OpProfile {
  const char* op;    // its type, as XNNPACK or TFLite calls it
  const char* name;  // of its first output in the model; nullptr inside a delegate
  bool in_delegate;
  uint64_t total_us;
  uint32_t times;  // that it counted
};

struct Profile {
  uint32_t inferences = 0;  // that were added up
  uint32_t uneven = 0;      // inferences left out, for they showed other operators than the first
  uint32_t dropped = 0;     // events left out, for they lasted longer than their inference
  OpProfile* ops = nullptr;
  size_t count = 0;
};

// Runs and times so many inferences with the profiler on, fewer when the time is up before;
// `samples` gets their latencies, which recording lengthens.
Profile profile(Session& session, const Arguments& arguments, Latencies* samples,
                const char** stopped_by);
