// The part of LiteRT's C API that the runner uses, found at run time in a libLiteRt.so.
//
// Declared from the facts of the ABI as of LiteRT 2.1.6 to 2.3.0. LiteRtCreateModelFromFile takes
// the environment since 2.1.6; older libraries have the same name with other parameters.
#pragma once

#include "libc.h"

using LiteRtStatus = int;  // 0 is ok
using LiteRtEnvironment = struct LiteRtEnvironmentT*;
using LiteRtModel = struct LiteRtModelT*;
using LiteRtOptions = struct LiteRtOptionsT*;
using LiteRtOpaqueOptions = struct LiteRtOpaqueOptionsT*;
using LiteRtCompiledModel = struct LiteRtCompiledModelT*;
using LiteRtSignature = struct LiteRtSignatureT*;
using LiteRtTensor = struct LiteRtTensorT*;
using LiteRtTensorBuffer = struct LiteRtTensorBufferT*;
using LiteRtTensorBufferRequirements = struct LiteRtTensorBufferRequirementsT*;
using LiteRtProfiler = struct LiteRtProfilerT*;
using LiteRtSubgraph = struct LiteRtSubgraphT*;
using LiteRtOp = struct LiteRtOpT*;

struct LiteRtLayout {
  uint32_t rank : 7;
  uint32_t has_strides : 1;
  int32_t dimensions[8];
  uint32_t strides[8];
};
static_assert(sizeof(LiteRtLayout) == 68);

struct LiteRtRankedTensorType {
  int32_t element_type;  // numbered as TfLiteType
  LiteRtLayout layout;
};
static_assert(sizeof(LiteRtRankedTensorType) == 72);

// 64-bit members stand at multiples of 8 on every ABI but x86, which aligns them to 4.
struct LiteRtEnvOption {
  int32_t tag;
  struct {
    int32_t type;
    int64_t value;
  } any;
};

struct LiteRtProfiledEvent {
  const char* tag;
  int32_t type;
  uint64_t start_us, elapsed_us;
  size_t memory[6];
  uint64_t metadata[2];
  int32_t source;
};
#if defined(__LP64__)
static_assert(sizeof(LiteRtEnvOption) == 24 && sizeof(LiteRtProfiledEvent) == 104);
#elif defined(__arm__)
static_assert(sizeof(LiteRtEnvOption) == 24 && sizeof(LiteRtProfiledEvent) == 72);
#elif defined(__i386__)
static_assert(sizeof(LiteRtEnvOption) == 16 && sizeof(LiteRtProfiledEvent) == 68);
#endif

constexpr int32_t kEnvAutoRegisterAccelerators = 24, kEnvMinLoggerSeverity = 25;
constexpr int32_t kAnyInt = 2;
constexpr int kHardwareCpu = 1;
constexpr int kSeverityError = 3;
constexpr int kLockForRead = 0, kLockForWrite = 1;
constexpr int32_t kEventBuiltinOperator = 2, kEventInsideDelegate = 8;

#define LITERT_FUNCTIONS(X)                                                                       \
  X(LiteRtStatus, CreateEnvironment, (int, const LiteRtEnvOption*, LiteRtEnvironment*))           \
  X(LiteRtStatus, CreateModelFromFile, (LiteRtEnvironment, const char*, LiteRtModel*))            \
  X(LiteRtStatus, CreateOptions, (LiteRtOptions*))                                                \
  X(LiteRtStatus, SetOptionsHardwareAccelerators, (LiteRtOptions, int))                           \
  X(LiteRtStatus, CreateOpaqueOptions,                                                            \
    (const char*, void*, void (*)(void*), LiteRtOpaqueOptions*))                                  \
  X(LiteRtStatus, AddOpaqueOptions, (LiteRtOptions, LiteRtOpaqueOptions))                         \
  X(LiteRtStatus, CreateCompiledModel,                                                            \
    (LiteRtEnvironment, LiteRtModel, LiteRtOptions, LiteRtCompiledModel*))                        \
  X(LiteRtStatus, CompiledModelIsFullyAccelerated, (LiteRtCompiledModel, bool*))                  \
  X(LiteRtStatus, GetNumModelSignatures, (LiteRtModel, size_t*))                                  \
  X(LiteRtStatus, GetModelSignature, (LiteRtModel, size_t, LiteRtSignature*))                     \
  X(LiteRtStatus, GetNumSignatureInputs, (LiteRtSignature, size_t*))                              \
  X(LiteRtStatus, GetNumSignatureOutputs, (LiteRtSignature, size_t*))                             \
  X(LiteRtStatus, GetSignatureInputName, (LiteRtSignature, size_t, const char**))                 \
  X(LiteRtStatus, GetSignatureOutputName, (LiteRtSignature, size_t, const char**))                \
  X(LiteRtStatus, GetSignatureInputTensorByIndex, (LiteRtSignature, size_t, LiteRtTensor*))       \
  X(LiteRtStatus, GetSignatureOutputTensorByIndex, (LiteRtSignature, size_t, LiteRtTensor*))      \
  X(LiteRtStatus, GetRankedTensorType, (LiteRtTensor, LiteRtRankedTensorType*))                   \
  X(LiteRtStatus, GetCompiledModelOutputTensorLayouts,                                            \
    (LiteRtCompiledModel, size_t, size_t, LiteRtLayout*, bool))                                   \
  X(LiteRtStatus, GetCompiledModelInputBufferRequirements,                                        \
    (LiteRtCompiledModel, size_t, size_t, LiteRtTensorBufferRequirements*))                       \
  X(LiteRtStatus, GetCompiledModelOutputBufferRequirements,                                       \
    (LiteRtCompiledModel, size_t, size_t, LiteRtTensorBufferRequirements*))                       \
  X(LiteRtStatus, CreateManagedTensorBufferFromRequirements,                                      \
    (LiteRtEnvironment, const LiteRtRankedTensorType*, LiteRtTensorBufferRequirements,            \
     LiteRtTensorBuffer*))                                                                        \
  X(LiteRtStatus, LockTensorBuffer, (LiteRtTensorBuffer, void**, int))                            \
  X(LiteRtStatus, UnlockTensorBuffer, (LiteRtTensorBuffer))                                       \
  X(LiteRtStatus, GetTensorBufferPackedSize, (LiteRtTensorBuffer, size_t*))                       \
  X(LiteRtStatus, RunCompiledModel,                                                               \
    (LiteRtCompiledModel, size_t, size_t, LiteRtTensorBuffer*, size_t, LiteRtTensorBuffer*))      \
  X(LiteRtStatus, CompiledModelGetProfiler, (LiteRtCompiledModel, LiteRtProfiler*))               \
  X(LiteRtStatus, StartProfiler, (LiteRtProfiler))                                                \
  X(LiteRtStatus, StopProfiler, (LiteRtProfiler))                                                 \
  X(LiteRtStatus, GetNumProfilerEvents, (LiteRtProfiler, int*))                                   \
  X(LiteRtStatus, GetProfilerEvents, (LiteRtProfiler, int, LiteRtProfiledEvent*))

// Only for a profile: nullptr in a library that lacks them, which measures as well as any other.
#define LITERT_FUNCTIONS_OF_PROFILES(X)                                                           \
  X(LiteRtStatus, ResetProfiler, (LiteRtProfiler))                                                \
  X(LiteRtStatus, GetModelSubgraph, (LiteRtModel, size_t, LiteRtSubgraph*))                       \
  X(LiteRtStatus, GetNumSubgraphOps, (LiteRtSubgraph, size_t*))                                   \
  X(LiteRtStatus, GetSubgraphOp, (LiteRtSubgraph, size_t, LiteRtOp*))                             \
  X(LiteRtStatus, GetNumOpOutputs, (LiteRtOp, size_t*))                                           \
  X(LiteRtStatus, GetOpOutput, (LiteRtOp, size_t, LiteRtTensor*))                                 \
  X(LiteRtStatus, GetTensorName, (LiteRtTensor, const char**))

struct LiteRt {
#define LITERT_POINTER(result, name, parameters) result(*name) parameters;
  LITERT_FUNCTIONS(LITERT_POINTER)
  LITERT_FUNCTIONS_OF_PROFILES(LITERT_POINTER)
#undef LITERT_POINTER
};

// Opens the library; ends the process when it can't be opened or lacks a function.
LiteRt open_litert(const char* path);

// "invalid argument (status 1)" and the like.
struct StatusText {
  char text[64];
};
StatusText describe(LiteRtStatus status);
