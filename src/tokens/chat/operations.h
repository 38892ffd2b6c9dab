#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "tokens/chat/value.h"

/// Operators and attribute access of the template language.
namespace assay::jinja {

enum class BinaryOp { add, subtract, multiply, divide, floor_divide, modulo, power };
enum class UnaryOp { negate, plus, logical_not };
enum class CompareOp { equal, not_equal, less, less_equal, greater, greater_equal, in, not_in };

Value binary(BinaryOp op, const Value& a, const Value& b, Budget& budget);
Value unary(UnaryOp op, const Value& a);
bool compare(CompareOp op, const Value& a, const Value& b, Budget& budget);
/// a < b for numbers, texts and lists. Error for a pair that has no order.
bool less(const Value& a, const Value& b, Budget& budget);

/// `object.name`: a method or attribute, else the item of that name.
Value attribute(const Value& object, const std::string& name, Budget& budget);
/// `object[key]`: the item, else the attribute of that name.
Value subscript(const Value& object, const Value& key, Budget& budget);
/// `object[start:stop:step]`, each of them none where left out.
Value slice(const Value& object, const Value& start, const Value& stop, const Value& step, Budget& budget);

std::string escape_html(std::string_view text, Budget& budget);

}  // namespace assay::jinja
