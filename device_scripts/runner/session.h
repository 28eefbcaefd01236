// One model, compiled, with its inputs and outputs: what is timed.
#pragma once

#include "arguments.h"
#include "litert.h"

// One element type that LiteRT knows, with its number there.
struct ElementType {
  int32_t number;
  const char* name;  // as NumPy spells it
  size_t size;       // bytes
};

struct Tensor {
  const char* name;
  ElementType type;
  LiteRtLayout layout;
  LiteRtTensorBuffer buffer;
  size_t bytes;
};

struct Session {
  static constexpr size_t kMaxTensors = 256;

  LiteRt api;
  LiteRtEnvironment environment;
  LiteRtModel model;
  LiteRtSignature signature;
  LiteRtCompiledModel compiled;
  size_t input_count, output_count;
  Tensor inputs[kMaxTensors], outputs[kMaxTensors];
  LiteRtTensorBuffer input_buffers[kMaxTensors], output_buffers[kMaxTensors];
};

// The steps of a session, in order. Each ends the process when LiteRT refuses.
void load(Session& session, const char* library, const char* model);
void compile(Session& session, const Arguments& arguments, int threads, bool profiling);
void make_buffers(Session& session);

// The timed call: one inference.
inline LiteRtStatus infer(Session& session) {
  return session.api.RunCompiledModel(session.compiled, 0, session.input_count,
                                      session.input_buffers, session.output_count,
                                      session.output_buffers);
}

// The memory of a tensor between lock and unlock.
void* lock(Session& session, const Tensor& tensor, int mode);
void unlock(Session& session, const Tensor& tensor);
