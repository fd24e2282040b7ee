#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tessera/plan.h"

namespace tessera {

/// Texts of the command line as values. Each throws UsageError that names `option`, what was
/// expected and what was found.

int64_t parse_integer(const std::string& option, const std::string& text, int64_t min, int64_t max);
double parse_number(const std::string& option, const std::string& text);
uint64_t parse_seed(const std::string& option, const std::string& text);
uint64_t parse_size(const std::string& option, const std::string& text);  ///< "512MiB"
std::string parse_precision_name(const std::string& option, const std::string& text);
Precision parse_one_precision(const std::string& option, const std::string& text);
std::vector<Precision> parse_precisions(const std::string& option,
                                        const std::string& text);  ///< "int8,int4", each once
std::string parse_kv_name(const std::string& option, const std::string& text);
KvFormat parse_one_kv_format(const std::string& option, const std::string& text);
Objective parse_objective_name(const std::string& option, const std::string& text);
std::vector<int32_t> parse_ids(const std::string& option, const std::string& text);  ///< "1,2,3"

}  // namespace tessera
