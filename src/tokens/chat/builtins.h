#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "tokens/chat/value.h"

/// What a template may use without defining it: filters, tests, methods and attributes of values.
namespace assay::jinja {

/// input | name(arguments). Error when there is no such filter.
Value apply_filter(const std::string& name, const Value& input, const Arguments& arguments, Budget& budget);
/// The part of apply_filter that handles sequences; nothing when no filter of sequences has that name.
std::optional<Value> apply_sequence_filter(const std::string& name, const Value& input, const Arguments& arguments,
                                           Budget& budget);
/// input is name(arguments). Error when there is no such test.
bool apply_test(const std::string& name, const Value& input, const Arguments& arguments, Budget& budget);

/// A method bound to `object`, a field of a namespace, or an attribute of a loop; nothing when it has none of that
/// name. Methods that change a list or dict do not exist here, as in the sandbox that Python uses for templates.
std::optional<Value> find_member(const Value& object, const std::string& name, Budget& budget);

using Method = Value (*)(const Value& self, const Arguments& arguments, Budget& budget);
/// The method of texts with that name, or null.
Method find_text_method(std::string_view name);

}  // namespace assay::jinja
