#pragma once
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "forward/hidden.h"
#include "forward/linear.h"
#include "model/rope.h"

namespace assay {

/// Wall time by stage, as seen by the main thread.
class StageTimes {
 public:
  /// Runs `work` and books its time under `stage`.
  template <class Work>
  auto time(const char* stage, Work&& work) {
    const Booking booking{*this, stage, now()};
    return work();
  }
  void add(const std::string& stage, double seconds) { seconds_[stage] += seconds; }
  const std::map<std::string, double>& seconds() const { return seconds_; }

 private:
  struct Booking {
    StageTimes& times;
    const char* stage;
    double start;
    ~Booking() { times.seconds_[stage] += now() - start; }
  };
  static double now();
  std::map<std::string, double> seconds_;
};

/// k and v of all tokens, as a layer left them to later ones.
struct KeptKv {
  HiddenStates k, v;
};

/// What all blocks of one run share.
struct RunContext {
  Device& device;
  WeightStore& store;
  Workspace workspace;
  StageTimes times;
  const EvalOptions& options;
  int64_t length;                                       // of every sequence
  std::vector<RopeTable> ropes;                         // on the host
  std::vector<std::pair<Buffer, Buffer>> rope_buffers;  // cos, sin, [length, pairs]

  int64_t first_token = 0;                 // of the rows that a block works on
  std::map<int64_t, KeptKv> kept;          // by layer
  std::vector<HiddenStates> layer_inputs;  // of each layer

  /// Position of each of `rows` rows, which are whole sequences.
  std::vector<int32_t> positions(int64_t rows) const;
};

/// Room for the k and v that layers keep for others.
void keep_kv(RunContext& context, int64_t tokens, bool spill);
RunContext make_context(Device& device, WeightStore& store, const EvalOptions& options, int64_t length);

}  // namespace assay
