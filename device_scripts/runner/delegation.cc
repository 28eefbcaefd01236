#include "delegation.h"

#include "failure.h"
#include "inputs.h"

namespace {

constexpr int kPatience = 60;  // looks at the child, at most a second each
constexpr char kSome = 's', kNone = 'n';

// Whether one profiled inference shows an operator inside a delegate.
char profile_one_inference(const Arguments& arguments) {
  static Session probe;
  load(probe, arguments.library, arguments.model);
  compile(probe, arguments, 1, true);
  make_buffers(probe);
  fill_inputs(probe, arguments);
  LiteRtProfiler profiler;
  int count = 0;
  const bool ran = probe.api.CompiledModelGetProfiler(probe.compiled, &profiler) == 0 &&
                   probe.api.StartProfiler(profiler) == 0 && infer(probe) == 0 &&
                   probe.api.StopProfiler(profiler) == 0 &&
                   probe.api.GetNumProfilerEvents(profiler, &count) == 0 && count > 0;
  if (!ran) _exit(1);
  const size_t size = static_cast<size_t>(count) * sizeof(LiteRtProfiledEvent);
  auto* events = static_cast<LiteRtProfiledEvent*>(malloc(size));
  if (events == nullptr || probe.api.GetProfilerEvents(profiler, count, events) != 0) _exit(1);
  for (int i = 0; i < count; i++) {
    if (events[i].type == kEventInsideDelegate) return kSome;
  }
  return kNone;
}

[[noreturn]] void probe_in_child(int parent, int answer_fd, const Arguments& arguments) {
  become_silent_child(parent);
  const char answer = profile_one_inference(arguments);
  _exit(write(answer_fd, &answer, 1) == 1 ? 0 : 1);
}

// Whether the child says something, or ends, in time. The timer of guard_process() interrupts a
// wait every second.
bool wait_for(int fd) {
  for (int i = 0; i < kPatience; i++) {
    pollfd reader = {fd, kPollIn, 0};
    if (poll(&reader, 1, 1000) > 0) return true;
  }
  return false;
}

// The child's answer, or 0 when it failed or took too long.
char ask_child(const Arguments& arguments) {
  int ends[2];
  if (pipe(ends) != 0) return 0;
  const int parent = getpid(), child = fork();
  if (child == 0) probe_in_child(parent, ends[1], arguments);
  close(ends[1]);
  char answer = 0;
  const bool told = child > 0 && wait_for(ends[0]) && read(ends[0], &answer, 1) == 1;
  close(ends[0]);
  if (child > 0) {
    kill(child, kSigKill);
    waitpid(child, nullptr, 0);
  }
  return told ? answer : 0;
}

}  // namespace

const char* find_delegation(Session& session, const Arguments& arguments) {
  bool full = false;
  if (session.api.CompiledModelIsFullyAccelerated(session.compiled, &full) != 0) return nullptr;
  if (full) return "full";
  if (!arguments.xnnpack) return "none";
  const char answer = ask_child(arguments);
  return answer == kSome ? "partial" : answer == kNone ? "none" : nullptr;
}
