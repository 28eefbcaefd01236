// What a run measured, and the document that tells it.
#pragma once

#include "arguments.h"
#include "json.h"
#include "memory.h"
#include "process.h"
#include "profile.h"
#include "sampling.h"
#include "session.h"
#include "usage.h"

struct Report {
  CpuMask cpu_mask;
  uint64_t init_ns, compile_ns, first_inference_ns;
  Latencies warmups, samples;
  Profile profile;
  const char* stopped_by;
  Usage usage;
  MemorySteps steps;
  long before_load_kb, after_compile_kb, peak_kb;
  const char* delegation;
};

void write_report(Json& json, Session& session, const Arguments& arguments, const Report& report);
