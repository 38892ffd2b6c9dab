#include "base/error.h"
#include "base/parallel.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/failure.h"
#include "cli/tensor_hash.h"
#include "model/config.h"
#include "report/json.h"
#include "report/table.h"

namespace assay {

namespace {

InspectRecord inspect(const std::filesystem::path& path, const InspectRequest& request, ThreadPool& pool,
                      const Console& console) {
  InspectRecord record;
  record.model_dir = path.string();
  try {
    const Checkpoint checkpoint = Checkpoint::open(path);
    const QuantConfig quant = QuantConfig::of(checkpoint);
    record.notes = checkpoint.notes();
    record.declared = checkpoint.gguf() ? "gguf" : quant.method();
    const ModelSpec spec = read_model_spec(checkpoint, request.assume);
    record.architecture = spec.architecture;
    record.tied = spec.tied;
    record.notes.insert(record.notes.end(), spec.notes.begin(), spec.notes.end());
    record.storage = measure_storage(checkpoint, quant, spec);
    if (request.sha256) record.sha256 = hash_weights({&checkpoint, &quant, &spec}, pool, console);
  } catch (const Interrupted&) {
    throw;
  } catch (const std::exception& e) {
    record.error = message_of(e);
  }
  return record;
}

std::string hash_lines(const InspectRecord& record) {
  std::string out;
  for (const auto& [name, hash] : record.sha256) out += hash + "  " + name + "\n";
  return out;
}

}  // namespace

int run(const InspectRequest& request) {
  Console console(request.json);
  ThreadPool pool(!request.sha256 ? 1 : request.threads > 0 ? request.threads : ThreadPool::available());
  std::vector<InspectRecord> records;
  size_t failed = 0;
  for (const std::filesystem::path& path : request.models) {
    const InspectRecord& record = records.emplace_back(inspect(path, request, pool, console));
    if (!record.error.empty()) {
      ++failed;
      console.error(record.error);
    } else if (!request.json) {
      if (records.size() > 1) console.result("\n");
      console.result(inspect_table(record, request.layers, console.width()));
      if (request.sha256) console.result(fmt::format("\n{}", hash_lines(record)));
    }
  }
  if (request.json) console.result(inspect_json(records));
  return failed == 0 ? 0 : failed < records.size() ? 1 : 2;
}

}  // namespace assay
