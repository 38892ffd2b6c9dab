#pragma once
#include "forward/context.h"

namespace assay {

/// StreamsSpec on the device: from an embedded token to its streams, and back from those of the last layer.
class Streams {
 public:
  Streams(RunContext& context, const StreamsSpec& spec);
  /// x [rows, hidden] to [rows, streams * hidden], in the workspace.
  Matrix spread(RunContext& context, Matrix x) const;
  /// The other way.
  Matrix join(RunContext& context, Matrix x) const;

 private:
  std::vector<Linear> in_, out_;
};

}  // namespace assay
