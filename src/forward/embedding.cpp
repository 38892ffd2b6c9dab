#include "forward/embedding.h"

#include <algorithm>
#include <map>
#include <optional>
#include <vector>

#include "base/error.h"
#include "forward/layer_input.h"
#include "forward/norm.h"
#include "forward/streams.h"

namespace assay {

void look_up(const StoredWeight& embedding, std::span<const int32_t> ids, HiddenStates& rows) {
  // Long rows are few at a time.
  const int64_t tile = std::max(std::clamp<int64_t>((1 << 18) / embedding.cols(), 1, 64), embedding.row_alignment());
  std::map<int64_t, std::vector<int64_t>> positions;  // by tile of the vocabulary
  for (size_t t = 0; t < ids.size(); ++t) positions[ids[t] / tile].push_back(static_cast<int64_t>(t));

  const int64_t width = embedding.cols();
  std::vector<float> decoded(static_cast<size_t>(std::min(tile, embedding.rows()) * width));
  for (const auto& [index, tokens] : positions) {
    const int64_t first = index * tile;
    embedding.decode(first, std::min(first + tile, embedding.rows()), decoded.data());
    for (const int64_t t : tokens)
      rows.write_row(t, std::span(decoded).subspan(static_cast<size_t>((ids[t] - first) * width), width));
  }
}

namespace {

/// [length, hidden], on the device.
Buffer positions_of(const RunContext& context, const InputSpec& spec) {
  const StoredWeight& stored = context.store.positions();
  if (context.length + spec.position_offset > stored.rows()) {
    fail("{}: the model knows {} positions, and rows of {} tokens were asked for; choose shorter rows", spec.positions,
         stored.rows() - spec.position_offset, context.length);
  }
  std::vector<float> rows(static_cast<size_t>(context.length * stored.cols()));
  stored.decode(spec.position_offset, spec.position_offset + context.length, rows.data());
  return context.store.to_device(rows);
}

}  // namespace

void embed(RunContext& context, std::span<const int32_t> ids, HiddenStates& hidden, bool spill) {
  Device& device = context.device;
  const ModelSpec& model = *context.store.model().spec;
  const InputSpec& spec = model.input;
  const StoredWeight& embedding = context.store.embedding();
  const bool as_it_is = spec.multiplier == 1 && !spec.project && spec.positions.empty() && !spec.norm &&
                        !model.layer_inputs && !model.streams;
  if (as_it_is) return look_up(embedding, ids, hidden);

  const Norm norm(context.store, spec.norm);
  Buffer positions;
  if (!spec.positions.empty()) positions = positions_of(context, spec);
  Linear project;
  if (spec.project) project = Linear(context.store, *spec.project, context.options.as_deployed);
  std::optional<LayerInputs> layer_inputs;
  if (model.layer_inputs) layer_inputs.emplace(context, *model.layer_inputs, hidden.tokens(), spill);
  std::optional<Streams> streams;
  if (model.streams) streams.emplace(context, *model.streams);
  HiddenStates sequence(device, context.length, embedding.cols(), false);
  for (int64_t first = 0; first < hidden.tokens(); first += context.length) {
    const auto own = ids.subspan(static_cast<size_t>(first), static_cast<size_t>(context.length));
    look_up(embedding, own, sequence);
    Matrix x = sequence.get(0, context.length);
    if (spec.project) {
      const Matrix wide = context.workspace.get("projected", x.rows, model.hidden);
      const Matrix in = project.input().apply(device, context.workspace, "project input", x, context.length);
      project.apply(device, context.workspace, in, wide, false);
      x = wide;
    }
    if (spec.multiplier != 1) device.scale(static_cast<float>(spec.multiplier), x);
    if (positions.floats() > 0) device.add(positions.matrix(x.rows, x.cols), x);
    if (norm) norm.apply(device, x, x);
    if (layer_inputs) layer_inputs->add(context, first, own, x);
    if (streams) x = streams->spread(context, x);
    hidden.put(first, x);
  }
}

}  // namespace assay
