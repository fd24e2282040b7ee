#pragma once

#include <string>
#include <string_view>

#include "text/chat_template.h"

namespace tessera {

/// The chat template of a checkpoint folder: chat_template.jinja, else "chat_template" of
/// tokenizer_config.json (of several the one named "default"), else "plain". Throws Error when
/// there is one that recognise_chat_template does not know.
ChatTemplate own_chat_template(const std::string& model_dir);

/// Tells by its marks what a Jinja template writes for a conversation of users and assistants:
/// ChatML or the headers of Llama 3, with which system prompt, with or without bos, trimmed or not.
/// Nothing is interpreted; a template with a mark that neither has (a date, thinking, other special
/// tokens) is an Error that names `where` and the modes to choose from.
ChatTemplate recognise_chat_template(std::string_view jinja, const std::string& where);

}  // namespace tessera
