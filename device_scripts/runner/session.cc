#include "session.h"

#include "failure.h"

namespace {

constexpr ElementType kTypes[] = {
    {1, "float32", 4}, {2, "int32", 4},    {3, "uint8", 1},   {4, "int64", 8},   {6, "bool", 1},
    {7, "int16", 2},   {8, "complex64", 8}, {9, "int8", 1},   {10, "float16", 2},
    {11, "float64", 8}, {13, "uint64", 8}, {16, "uint32", 4}, {17, "uint16", 2},
    {19, "bfloat16", 2},
};

void check(LiteRtStatus status, const char* what) {
  if (status != 0) fail("%s: %s.", what, describe(status).text);
}

ElementType element_type(int32_t number, const char* tensor) {
  for (const ElementType& type : kTypes) {
    if (type.number == number) return type;
  }
  fail("Tensor '%.200s' has element type %d, which this runner can't handle.", tensor, number);
}

void open_environment(Session& session) {
  LiteRtEnvOption options[2] = {};
  // Only the CPU: probing for a GPU costs time and memory, and may print or crash.
  options[0] = {kEnvAutoRegisterAccelerators, {kAnyInt, kHardwareCpu}};
  options[1] = {kEnvMinLoggerSeverity, {kAnyInt, kSeverityError}};
  check(session.api.CreateEnvironment(2, options, &session.environment),
        "LiteRT can't make an environment");
}

void check_file(const char* path) {
  const int fd = open(path, kReadOnly | kCloseOnExec);
  if (fd < 0) fail("The model file can't be opened: %s: %.500s.", strerror(last_error()), path);
  const long size = lseek(fd, 0, kSeekEnd);
  close(fd);
  if (size == 0) fail("The model file is empty: %.500s.", path);
}

void add_options(Session& session, LiteRtOptions options, const char* name, const char* toml) {
  const size_t size = strlen(toml) + 1;
  void* copy = malloc(size);  // LiteRT frees it
  if (copy == nullptr) fail("Out of memory.");
  memcpy(copy, toml, size);
  LiteRtOpaqueOptions opaque;
  check(session.api.CreateOpaqueOptions(name, copy, free, &opaque), "LiteRT refuses its options");
  check(session.api.AddOpaqueOptions(options, opaque), "LiteRT refuses its options");
}

// What is not named stays at LiteRT's default. That of kernel_mode is XNNPACK; the word for it
// changed ("delegate" is refused by 2.1.6), the one for the builtin kernels did not.
void add_cpu_options(Session& session, LiteRtOptions options, const Arguments& arguments,
                     int threads) {
  char toml[700];
  int used = snprintf(toml, sizeof toml, "num_threads = %d\n", threads);
  if (!arguments.xnnpack) {
    used += snprintf(toml + used, sizeof toml - used, "kernel_mode = \"builtin\"\n");
  }
  if (arguments.flags_given) {
    used += snprintf(toml + used, sizeof toml - used, "flags = %u\n", arguments.xnnpack_flags);
  }
  if (arguments.weight_cache != nullptr) {
    snprintf(toml + used, sizeof toml - used, "weight_cache_file_path = \"%s\"\n",
             arguments.weight_cache);
  }
  add_options(session, options, "xnnpack", toml);
}

void count_tensors(Session& session) {
  check(session.api.GetNumSignatureInputs(session.signature, &session.input_count),
        "The model's inputs can't be counted");
  check(session.api.GetNumSignatureOutputs(session.signature, &session.output_count),
        "The model's outputs can't be counted");
  if (session.input_count > Session::kMaxTensors || session.output_count > Session::kMaxTensors) {
    fail("The model has %zu inputs and %zu outputs; this runner takes up to %zu of each.",
         session.input_count, session.output_count, Session::kMaxTensors);
  }
}

// Without this LiteRT would allocate, and find an op that it lacks, only in the first inference.
void allocate(Session& session) {
  LiteRtLayout layouts[Session::kMaxTensors];
  check(session.api.GetCompiledModelOutputTensorLayouts(session.compiled, 0, session.output_count,
                                                        layouts, true),
        "LiteRT can't prepare the model");
}

void refuse_strange_shape(const Tensor& tensor) {
  if (tensor.layout.rank > 8) {
    fail("Tensor '%.200s' has %u dimensions; LiteRT takes up to 8.", tensor.name,
         tensor.layout.rank);
  }
  for (uint32_t i = 0; i < tensor.layout.rank; i++) {
    if (tensor.layout.dimensions[i] < 0) {
      fail("Tensor '%.200s' has a dynamic shape (dimension %u is open); only fixed shapes can be "
           "measured. Export the model with a fixed shape.", tensor.name, i);
    }
  }
}

Tensor describe_tensor(Session& session, bool input, size_t index) {
  LiteRt& api = session.api;
  const auto name = input ? api.GetSignatureInputName : api.GetSignatureOutputName;
  const auto tensor = input ? api.GetSignatureInputTensorByIndex
                            : api.GetSignatureOutputTensorByIndex;
  Tensor out = {};
  LiteRtTensor handle;
  LiteRtRankedTensorType type = {};
  check(name(session.signature, index, &out.name), "A tensor has no name");
  check(tensor(session.signature, index, &handle), "A tensor can't be found");
  check(api.GetRankedTensorType(handle, &type), "A tensor has no fixed shape");
  out.type = element_type(type.element_type, out.name);
  out.layout = type.layout;
  refuse_strange_shape(out);
  return out;
}

void make_buffer(Session& session, bool input, size_t index, Tensor& tensor) {
  LiteRt& api = session.api;
  const auto requirements = input ? api.GetCompiledModelInputBufferRequirements
                                  : api.GetCompiledModelOutputBufferRequirements;
  const LiteRtRankedTensorType type = {tensor.type.number, tensor.layout};
  LiteRtTensorBufferRequirements required;
  check(requirements(session.compiled, 0, index, &required), "A tensor can't be placed");
  check(api.CreateManagedTensorBufferFromRequirements(session.environment, &type, required,
                                                      &tensor.buffer),
        "A tensor can't be allocated");
  check(api.GetTensorBufferPackedSize(tensor.buffer, &tensor.bytes), "A tensor has no size");
}

}  // namespace

void load(Session& session, const char* library, const char* model) {
  enter_stage("library");
  session.api = open_litert(library);
  open_environment(session);
  enter_stage("model");
  check_file(model);
  check(session.api.CreateModelFromFile(session.environment, model, &session.model),
        "LiteRT can't read the model file");
  size_t signatures = 0;
  check(session.api.GetNumModelSignatures(session.model, &signatures),
        "The model's signatures can't be counted");
  if (signatures == 0) fail("The model has no signature.");
  check(session.api.GetModelSignature(session.model, 0, &session.signature),
        "The model's first signature can't be read");
  count_tensors(session);
  for (size_t i = 0; i < session.input_count; i++) {
    session.inputs[i] = describe_tensor(session, true, i);
  }
  for (size_t i = 0; i < session.output_count; i++) {
    session.outputs[i] = describe_tensor(session, false, i);
  }
}

void compile(Session& session, const Arguments& arguments, int threads, bool profiling) {
  enter_stage("compile");
  LiteRtOptions options;
  check(session.api.CreateOptions(&options), "LiteRT can't make options");
  check(session.api.SetOptionsHardwareAccelerators(options, kHardwareCpu),
        "LiteRT refuses the CPU");
  add_cpu_options(session, options, arguments, threads);
  if (profiling) {
    add_options(session, options, "runtime_options_string", "enable_profiling = true\n");
  }
  check(session.api.CreateCompiledModel(session.environment, session.model, options,
                                        &session.compiled),
        "LiteRT can't compile the model");
  allocate(session);
}

void make_buffers(Session& session) {
  for (size_t i = 0; i < session.input_count; i++) {
    make_buffer(session, true, i, session.inputs[i]);
    session.input_buffers[i] = session.inputs[i].buffer;
  }
  for (size_t i = 0; i < session.output_count; i++) {
    make_buffer(session, false, i, session.outputs[i]);
    session.output_buffers[i] = session.outputs[i].buffer;
  }
}

void* lock(Session& session, const Tensor& tensor, int mode) {
  void* memory = nullptr;
  check(session.api.LockTensorBuffer(tensor.buffer, &memory, mode), "A tensor can't be locked");
  return memory;
}

void unlock(Session& session, const Tensor& tensor) {
  check(session.api.UnlockTensorBuffer(tensor.buffer), "A tensor can't be unlocked");
}
