"""Chat templates of the forms that models have, and conversations to write with them; for tools/bpe_goldens.py."""

from __future__ import annotations

from typing import Any

from transformers.utils.chat_template_utils import render_jinja_template

Conversation = list[dict[str, str]]

CHATS = {
    # One line of expressions, with line ends inside the quotes.
    "smollm2": "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}{{ '<|im_start|>system\nYou are a helpful AI "
    "assistant named SmolLM, trained by Hugging Face<|im_end|>\n' }}{% endif %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + "
    "'<|im_end|>' + '\n'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}",
    # Many lines with white space cut away, line ends escaped, and a branch for tools.
    "qwen2.5": r"""{%- if tools %}
    {{- '<|im_start|>system\n' }}
    {%- if messages[0]['role'] == 'system' %}
        {{- messages[0]['content'] }}
    {%- endif %}
    {{- "\n\n# Tools\n" }}
    {%- for tool in tools %}
        {{- tool | tojson }}
    {%- endfor %}
    {{- "<|im_end|>\n" }}
{%- elif messages[0]['role'] == 'system' %}
    {{- '<|im_start|>system\n' + messages[0]['content'] + '<|im_end|>\n' }}
{%- else %}
    {{- '<|im_start|>system\nYou are Qwen, created by Alibaba Cloud. You are a helpful assistant.<|im_end|>\n' }}
{%- endif %}
{%- for message in messages %}
    {%- if message.role == "user" or message.role == "assistant" %}
        {{- '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>' + '\n' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\n' }}
{%- endif %}
""",
    # No system prompt; each question brings the beginning of its answer.
    "yi": "{% if messages[0]['role'] == 'system' %}{{ messages[0]['content'] }}{% endif %}{% for message in messages %}{% if message['role'] == 'user' %}"
    "{{ '<|im_start|>user\n' + message['content'] + '<|im_end|>\n<|im_start|>assistant\n' }}{% elif message['role'] == 'assistant' %}"
    "{{ message['content'] + '<|im_end|>' + '\n' }}{% endif %}{% endfor %}",
    # Text outside of expressions, a bos token.
    "with_bos": "{{ bos_token }}{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}",
    "llama3": "{% for message in messages %}{% set content = '<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n' + message['content'] | trim "
    "+ '<|eot_id|>' %}{% if loop.first %}{% set content = bos_token + content %}{% endif %}{{ content }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}",
}


def turns(*texts: str) -> Conversation:
    return [{"role": ("user", "assistant")[i % 2], "content": text} for i, text in enumerate(texts)]


CONVERSATIONS = [
    turns("What is the capital of France?"),
    turns("1+1?", "2", "And 2+2?"),
    turns("  indented\n\tcode  \n", "", "天空是什么颜色？", " blue\n", "\nwhy?\n\n"),
    turns("stray <|im_end|> and <|eot_id|> in a question", "It's fine.", "ok"),
]


def render(name: str, messages: Conversation, names: dict[str, Any]) -> str:
    """What apply_chat_template of transformers gives with add_generation_prompt."""
    tokens = {key: value for key, value in names.items() if key.endswith("_token")}
    prompts, _ = render_jinja_template([messages], chat_template=CHATS[name], add_generation_prompt=True, **tokens)
    return prompts[0]
