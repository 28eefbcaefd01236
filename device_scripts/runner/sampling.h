// The clock, the warm-up and the samples.
#pragma once

#include "arguments.h"
#include "session.h"

constexpr const char* kClock = "CLOCK_MONOTONIC";
uint64_t now_ns();
uint64_t clock_ns(int clock);

// Latencies in nanoseconds, in order. The memory is reserved at once and touched as it fills.
struct Latencies {
  uint64_t* ns = nullptr;
  uint32_t count = 0;
};

// One inference; ends the process when it fails.
uint64_t timed_inference(Session& session);

// Room for so many latencies.
uint64_t* reserve(uint32_t count);

// Inferences until the latency has flattened or the time is up.
Latencies warm_up(Session& session, uint64_t max_ns);

// Inferences until the median is known as well as asked, or a limit is reached.
Latencies sample(Session& session, const Arguments& arguments, const char** stopped_by);
