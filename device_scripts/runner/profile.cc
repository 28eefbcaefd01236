#include "profile.h"

#include "failure.h"

namespace {

void check(LiteRtStatus status, const char* what) {
  if (status != 0) fail("%s: %s.", what, describe(status).text);
}

void* take(size_t size) {
  void* memory = malloc(size > 0 ? size : 1);
  if (memory == nullptr) fail("Out of memory for a profile.");
  return memory;
}

struct Events {
  LiteRtProfiledEvent* list;
  size_t count;
};

bool of_an_operator(const LiteRtProfiledEvent& event) {
  return event.type == kEventBuiltinOperator || event.type == kEventInsideDelegate;
}

// The events of one inference, those of operators alone. LiteRT also records its own phases.
Events record(Session& session, LiteRtProfiler profiler, uint64_t* latency_ns) {
  LiteRt& api = session.api;
  if (api.ResetProfiler == nullptr) fail("The library has no function LiteRtResetProfiler.");
  check(api.ResetProfiler(profiler), "The profiler can't be emptied");
  check(api.StartProfiler(profiler), "The profiler can't be started");
  *latency_ns = timed_inference(session);
  check(api.StopProfiler(profiler), "The profiler can't be stopped");
  int count = 0;
  check(api.GetNumProfilerEvents(profiler, &count), "The profile can't be counted");
  if (count < 0) fail("The profile holds %d events.", count);
  Events out = {static_cast<LiteRtProfiledEvent*>(
                    take(static_cast<size_t>(count) * sizeof(LiteRtProfiledEvent))),
                0};
  check(api.GetProfilerEvents(profiler, count, out.list), "The profile can't be read");
  for (int i = 0; i < count; i++) {
    if (of_an_operator(out.list[i])) out.list[out.count++] = out.list[i];
  }
  return out;
}

// What an operator writes first, by its number in the first subgraph: that is how TFLite numbers
// the operators that it runs itself. XNNPACK has numbers of its own.
const char* output_name(Session& session, const LiteRtProfiledEvent& event) {
  LiteRt& api = session.api;
  if (api.GetModelSubgraph == nullptr || api.GetNumSubgraphOps == nullptr ||
      api.GetSubgraphOp == nullptr || api.GetNumOpOutputs == nullptr ||
      api.GetOpOutput == nullptr || api.GetTensorName == nullptr) {
    return nullptr;
  }
  LiteRtSubgraph graph;
  LiteRtOp op;
  LiteRtTensor output;
  size_t ops = 0, outputs = 0;
  const char* name = nullptr;
  const bool found = event.type == kEventBuiltinOperator && event.metadata[1] == 0 &&
                     api.GetModelSubgraph(session.model, 0, &graph) == 0 &&
                     api.GetNumSubgraphOps(graph, &ops) == 0 && event.metadata[0] < ops &&
                     api.GetSubgraphOp(graph, static_cast<size_t>(event.metadata[0]), &op) == 0 &&
                     api.GetNumOpOutputs(op, &outputs) == 0 && outputs > 0 &&
                     api.GetOpOutput(op, 0, &output) == 0 &&
                     api.GetTensorName(output, &name) == 0;
  return found ? name : nullptr;
}

// The profiler owns the texts of its events, and forgets them.
const char* copy(const char* text) {
  const char* given = text == nullptr ? "" : text;
  const size_t size = strlen(given) + 1;
  return static_cast<const char*>(memcpy(take(size), given, size));
}

void begin(Session& session, const Events& events, Profile& out) {
  out.count = events.count;
  out.ops = static_cast<OpProfile*>(take(events.count * sizeof(OpProfile)));
  for (size_t i = 0; i < events.count; i++) {
    const LiteRtProfiledEvent& event = events.list[i];
    out.ops[i] = {copy(event.tag), output_name(session, event),
                  event.type == kEventInsideDelegate, 0, 0};
  }
}

bool same_operators(const Profile& profile, const Events& events) {
  if (events.count != profile.count) return false;
  for (size_t i = 0; i < events.count; i++) {
    const LiteRtProfiledEvent& event = events.list[i];
    if (profile.ops[i].in_delegate != (event.type == kEventInsideDelegate)) return false;
    if (strcmp(profile.ops[i].op, event.tag == nullptr ? "" : event.tag) != 0) return false;
  }
  return true;
}

void add(Profile& profile, const Events& events, uint64_t latency_ns) {
  profile.inferences++;
  for (size_t i = 0; i < events.count; i++) {
    const uint64_t elapsed_us = events.list[i].elapsed_us;
    if (elapsed_us > latency_ns / 1000 + 1) {  // the profiler's clock has steps of 1 us
      profile.dropped++;
      continue;
    }
    profile.ops[i].total_us += elapsed_us;
    profile.ops[i].times++;
  }
}

}  // namespace

Profile profile(Session& session, const Arguments& arguments, Latencies* samples,
                const char** stopped_by) {
  LiteRtProfiler profiler;
  check(session.api.CompiledModelGetProfiler(session.compiled, &profiler),
        "LiteRT has no profiler");
  Profile out;
  samples->ns = reserve(arguments.profile);
  *stopped_by = "max_samples";
  const uint64_t start = now_ns();
  for (uint32_t i = 0; i < arguments.profile; i++) {
    uint64_t latency_ns = 0;
    const Events events = record(session, profiler, &latency_ns);
    samples->ns[samples->count++] = latency_ns;
    if (i == 0) begin(session, events, out);
    if (same_operators(out, events)) add(out, events, latency_ns);
    else out.uneven++;
    free(events.list);
    if (i + 1 < arguments.profile && now_ns() - start >= arguments.max_ns) {
      *stopped_by = "max_seconds";
      break;
    }
  }
  return out;
}
