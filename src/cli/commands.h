#pragma once
#include "cli/options.h"

namespace assay {

/// One command each, in a file of its own. They return the exit status: 0 done, 1 some models failed; and throw Error
/// (2) when nothing could be done, Interrupted (130) after a Ctrl-C.
int run(const CompareRequest& request);
int run(const PplRequest& request);
int run(const LayersRequest& request);
int run(const RunRequest& request);
int run(const MergeRequest& request);
int run(const InspectRequest& request);
int run(const ExportRequest& request);
int run(const FormatsRequest& request);
int run(const ArchitecturesRequest& request);
int run(const TextRequest& request);

}  // namespace assay
