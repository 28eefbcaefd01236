#include "report.h"

#include "failure.h"
#include "inputs.h"

namespace {

void write_optional(Json& json, const char* key, const char* text) {
  if (text == nullptr) json.null(key);
  else json.text(key, text);
}

void write_kb(Json& json, const char* key, int64_t kb) {
  if (kb < 0) json.null(key);
  else json.integer(key, kb);
}

void write_latencies(Json& json, const char* key, const Latencies& latencies) {
  json.begin_list(key);
  for (uint32_t i = 0; i < latencies.count; i++) json.micros(nullptr, latencies.ns[i]);
  json.end_list();
}

void write_tensor(Json& json, Session& session, const Tensor& tensor, const char* source) {
  const void* bytes = lock(session, tensor, kLockForRead);
  json.begin_object();
  json.text("name", tensor.name == nullptr ? "" : tensor.name);
  json.text("type", tensor.type.name);
  json.begin_list("shape");
  for (uint32_t i = 0; i < tensor.layout.rank; i++) {
    json.integer(nullptr, tensor.layout.dimensions[i]);
  }
  json.end_list();
  json.integer("bytes", static_cast<int64_t>(tensor.bytes));
  json.hex32("crc32", crc32(bytes, tensor.bytes));
  if (source != nullptr) json.text("source", source);
  else json.real("sum", sum(bytes, tensor.bytes, tensor.type));
  json.end_object();
  unlock(session, tensor);
}

void write_usage(Json& json, const Usage& usage) {
  if (!usage.told) return json.null("usage");
  json.begin_object("usage");
  json.micros("wall_us", usage.wall_ns);
  json.micros("own_us", usage.own_ns);
  json.micros("busy_us", usage.busy_ns);
  json.end_object();
}

void write_step(Json& json, const char* key, const MemoryAt& at) {
  json.begin_object(key);
  write_kb(json, "peak_kb", at.peak_kb);
  write_kb(json, "pss_kb", at.pss_kb);
  json.end_object();
}

void write_steps(Json& json, const MemorySteps& steps) {
  json.begin_object("memory_pass");
  write_step(json, "baseline", steps.baseline);
  write_step(json, "load", steps.load);
  write_step(json, "compile", steps.compile);
  write_step(json, "first", steps.first);
  write_step(json, "steady", steps.steady);
  json.end_object();
}

void write_profile(Json& json, const Profile& profile) {
  json.begin_object("profile");
  json.integer("inferences", profile.inferences);
  json.integer("uneven", profile.uneven);
  json.integer("dropped", profile.dropped);
  json.begin_list("ops");
  for (size_t i = 0; i < profile.count; i++) {
    const OpProfile& op = profile.ops[i];
    if (op.times == 0) continue;
    json.begin_object();
    json.integer("index", static_cast<int64_t>(i));
    json.text("op", op.op);
    write_optional(json, "name", op.name);
    json.micros("mean_us", op.total_us * 1000 / op.times);
    json.text("delegate", op.in_delegate ? "xnnpack" : "builtin");
    json.end_object();
  }
  json.end_list();
  json.end_object();
}

void write_memory(Json& json, const Report& report) {
  json.begin_object("memory");
  write_kb(json, "before_load_kb", report.before_load_kb);
  write_kb(json, "after_compile_kb", report.after_compile_kb);
  write_kb(json, "peak_kb", report.peak_kb);
  json.end_object();
}

void write_tensors(Json& json, Session& session, const Arguments& arguments) {
  json.begin_list("inputs");
  for (size_t i = 0; i < session.input_count; i++) {
    write_tensor(json, session, session.inputs[i], arguments.input_count == 0 ? "seeded" : "file");
  }
  json.end_list();
  json.begin_list("outputs");
  for (size_t i = 0; i < session.output_count; i++) {
    write_tensor(json, session, session.outputs[i], nullptr);
  }
  json.end_list();
}

}  // namespace

void write_report(Json& json, Session& session, const Arguments& arguments, const Report& report) {
  json.begin_object();
  json.integer("contract", kContract);
  json.text("runner_version", RUNNER_VERSION);
  json.text("status", "ok");
  json.null("library_version");  // no LiteRT up to 2.3.0 exports a way to ask
  json.text("abi", kAbi);
  json.integer("pid", getpid());
  json.text("clock", kClock);
  json.text("cpu_mask", report.cpu_mask.digits);
  json.integer("threads", arguments.threads);
  json.text("delegate", arguments.xnnpack ? "xnnpack" : "none");
  write_optional(json, "delegation", report.delegation);
  json.micros("init_us", report.init_ns);
  json.micros("compile_us", report.compile_ns);
  json.micros("first_inference_us", report.first_inference_ns);
  write_latencies(json, "warmup_us", report.warmups);
  write_latencies(json, "samples_us", report.samples);
  json.text("stopped_by", report.stopped_by);
  if (arguments.usage) write_usage(json, report.usage);
  if (arguments.profile != 0) write_profile(json, report.profile);
  if (arguments.memory != 0) write_steps(json, report.steps);
  write_memory(json, report);
  write_tensors(json, session, arguments);
  json.text("end", "complete");
  json.end_object();
}
