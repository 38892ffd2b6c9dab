#include <fmt/core.h>

#include <cmath>

#include "report/table.h"

namespace assay {

namespace {

void add_bits(TextTable& table, const std::string& name, const Bits& bits, const std::string& note = "") {
  table.add({name, fmt::format("{}", bits.bits), bits.weights == 0 ? "-" : fmt::format("{}", bits.weights),
             std::isnan(bits.bpw()) ? "-" : fmt::format("{:.4f}", bits.bpw()), note});
}

}  // namespace

std::string inspect_table(const InspectRecord& record, bool layers, int width) {
  std::string out = record.model_dir + "\n";
  if (!record.storage) return out + "  failed: " + record.error + "\n";
  const Storage& s = *record.storage;
  const Storage::CompareQ& q = s.compare_q;
  out += fmt::format("  architecture  {}\n", record.architecture);
  out += fmt::format("  declared      {}\n", record.declared.empty() ? "no quantization" : record.declared);
  out += fmt::format("  found         {}\n", s.format);
  out += fmt::format("  activations   {}\n", s.activations);
  for (const std::string& mismatch : s.mismatches) out += fmt::format("  mismatch      {}\n", mismatch);
  for (const std::string& note : record.notes) out += fmt::format("  note          {}\n", note);

  TextTable table({{"part", false, 20}, {"bits", true}, {"weights", true}, {"bpw", true}, {""}});
  add_bits(table, "decoder", s.decoder);
  add_bits(table, "head", s.head, record.tied ? "is the embedding" : "");
  add_bits(table, "embedding", s.embedding);
  add_bits(table, "other", s.other);
  for (const auto& [format, bits] : s.formats) add_bits(table, fmt::format("format {}", format), bits);
  for (const auto& [role, bits] : s.roles) add_bits(table, fmt::format("role {}", role), {bits, 0});
  for (size_t i = 0; layers && i < s.layers.size(); ++i) add_bits(table, fmt::format("layer {}", i), s.layers[i]);
  out += fmt::format("\n{}", table.render(width));
  out += fmt::format("\nfiles {:.3f} GiB; decoder and head {:.3f} GiB\n", static_cast<double>(s.file_bytes) / (1 << 30),
                     s.vram_gib());
  out += fmt::format("compare_q would print: {:.4f} bpw (decoder), {:.4f} bpw (head), {:.3f} GiB\n", q.bpw_layer,
                     q.bpw_head, q.vram_gib);
  return out;
}

}  // namespace assay
