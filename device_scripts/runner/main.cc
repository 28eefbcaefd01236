// Runs one LiteRT model on this device and prints what it measured as one JSON document.
// README.md in the folder above is the contract.

#include "arguments.h"
#include "delegation.h"
#include "failure.h"
#include "inputs.h"
#include "json.h"
#include "outputs.h"
#include "process.h"
#include "report.h"

namespace {

void note(const Arguments& arguments, MemoryAt* at) {
  if (arguments.memory != 0) *at = memory_now();
}

Report measure(Session& session, const Arguments& arguments) {
  Report report = {};
  report.cpu_mask = bind_to(arguments.cpu_mask);
  report.before_load_kb = peak_memory_kb();
  note(arguments, &report.steps.baseline);
  const uint64_t start = now_ns();
  load(session, arguments.library, arguments.model);
  const uint64_t loaded = now_ns();
  note(arguments, &report.steps.load);
  const uint64_t compiling = now_ns();
  compile(session, arguments, arguments.threads, arguments.profile != 0);
  const uint64_t compiled = now_ns();
  report.init_ns = loaded - start;
  report.compile_ns = compiled - compiling;
  report.after_compile_kb = peak_memory_kb();
  note(arguments, &report.steps.compile);
  make_buffers(session);
  fill_inputs(session, arguments);
  enter_stage("run");
  report.first_inference_ns = timed_inference(session);
  note(arguments, &report.steps.first);
  report.warmups = warm_up(session, arguments.warmup_max_ns);
  if (arguments.profile == 0) {
    const UsageMark begun = arguments.usage ? begin_usage() : UsageMark();
    report.samples = sample(session, arguments, &report.stopped_by);
    if (arguments.usage) report.usage = end_usage(begun);
  } else {
    report.profile = profile(session, arguments, &report.samples, &report.stopped_by);
  }
  note(arguments, &report.steps.steady);
  report.peak_kb = peak_memory_kb();
  report.delegation = find_delegation(session, arguments);
  return report;
}

}  // namespace

int main(int count, char** values) {
  guard_process();
  const Arguments arguments = parse_arguments(count, values);
  static Session session;
  const Report report = measure(session, arguments);
  enter_stage("report");
  if (arguments.outputs != nullptr) write_outputs(session, arguments.outputs);
  Json json(document_fd());
  write_report(json, session, arguments, report);
  if (!json.finish()) _exit(1);
  release_stderr();
  _exit(0);  // not a return: the library's destructors can add nothing but a late crash
}
