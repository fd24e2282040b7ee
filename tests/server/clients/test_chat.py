"""Chats by the official client."""

import json
import threading

import pytest
from conftest import FAKE, picture_part, png

HI = [{"role": "user", "content": "Say hello."}]


def test_an_answer(client, model):
    answer = client.chat.completions.create(model=model, messages=HI, max_tokens=8, temperature=0)
    assert answer.object == "chat.completion" and answer.model == model
    assert answer.choices[0].message.role == "assistant"
    assert answer.choices[0].finish_reason in ("stop", "length")
    assert 1 <= answer.usage.completion_tokens <= 8
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens
    if FAKE:
        assert answer.choices[0].message.content == "You said"
        assert answer.choices[0].finish_reason == "length"


def test_a_stream_says_what_the_whole_answer_says(client, model):
    whole = client.chat.completions.create(model=model, messages=HI, max_tokens=12, temperature=0)
    stream = client.chat.completions.create(model=model, messages=HI, max_tokens=12, temperature=0, stream=True,
                                            stream_options={"include_usage": True})
    chunks = list(stream)
    assert chunks[0].choices[0].delta.role == "assistant"
    text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    assert text == whole.choices[0].message.content
    reasons = [c.choices[0].finish_reason for c in chunks if c.choices]
    assert reasons[:-1] == [None] * (len(reasons) - 1)
    assert reasons[-1] == whole.choices[0].finish_reason
    assert chunks[-1].choices == [] and chunks[-1].usage == whole.usage or (
        chunks[-1].usage.completion_tokens == whole.usage.completion_tokens)
    assert len({c.id for c in chunks}) == 1


def test_the_helper_for_streams(client, model):
    with client.chat.completions.stream(model=model, messages=HI, max_tokens=6, temperature=0) as stream:
        events = list(stream)
        final = stream.current_completion_snapshot  # the other accessor takes "length" for an error
    assert events[-1].type == "content.done"
    assert final.choices[0].message.content


def test_several_answers(client, model):
    answer = client.chat.completions.create(model=model, messages=HI, max_tokens=6, n=3, seed=1)
    assert [c.index for c in answer.choices] == [0, 1, 2]
    seen: dict[int, str] = {}
    for chunk in client.chat.completions.create(model=model, messages=HI, max_tokens=6, n=3, seed=1, stream=True):
        for choice in chunk.choices:
            seen[choice.index] = seen.get(choice.index, "") + (choice.delta.content or "")
    assert seen == {c.index: c.message.content for c in answer.choices}


def test_log_probabilities(client, model):
    answer = client.chat.completions.create(model=model, messages=HI, max_tokens=4, temperature=0, logprobs=True,
                                            top_logprobs=3)
    content = answer.choices[0].logprobs.content
    assert len(content) == answer.usage.completion_tokens
    for token in content:
        assert token.logprob <= 0 and len(token.top_logprobs) == 3
        assert token.bytes is None or bytes(token.bytes).decode() == token.token
    streamed = []
    for chunk in client.chat.completions.create(model=model, messages=HI, max_tokens=4, temperature=0, logprobs=True,
                                                top_logprobs=3, stream=True):
        if chunk.choices and chunk.choices[0].logprobs:
            streamed += chunk.choices[0].logprobs.content
    assert [t.token for t in streamed] == [t.token for t in content]


def test_stop_strings(client, model):
    whole = client.chat.completions.create(model=model, messages=HI, max_tokens=12, temperature=0)
    text = whole.choices[0].message.content
    stop = text[3:5]
    answer = client.chat.completions.create(model=model, messages=HI, max_tokens=12, temperature=0, stop=[stop])
    assert answer.choices[0].message.content.rstrip() == text[:text.index(stop)].rstrip()
    assert answer.choices[0].finish_reason == "stop"


def test_json_of_a_schema(client, model):
    schema = {"type": "object", "properties": {"answer": {"type": "integer"}}, "required": ["answer"],
              "additionalProperties": False}
    for form in ({"type": "json_object"},
                 {"type": "json_schema", "json_schema": {"name": "a", "schema": schema, "strict": True}}):
        answer = client.chat.completions.create(model=model, messages=HI, max_tokens=200, temperature=0,
                                                response_format=form)
        if answer.choices[0].finish_reason == "stop":
            assert isinstance(json.loads(answer.choices[0].message.content), dict)


def test_fields_of_other_servers(client, model):
    answer = client.chat.completions.create(
        model=model, messages=HI, max_tokens=5,
        extra_body={"top_k": 5, "min_p": 0.1, "repetition_penalty": 1.1, "ignore_eos": False, "store": True})
    assert answer.usage.completion_tokens <= 5


def test_a_picture(client, model, takes_pictures):
    if not takes_pictures:
        pytest.skip("the model takes no pictures")
    messages = [{"role": "user", "content": [picture_part(png(8, 8, (255, 0, 0))), {"type": "text", "text": "?"}]}]
    answer = client.chat.completions.create(model=model, messages=messages, max_tokens=40, temperature=0)
    assert answer.usage.prompt_tokens > 1
    if FAKE:
        assert answer.choices[0].message.content == "I see 1. You said: ?"


def test_who_leaves_ends_the_request(client, model):
    before = client.get("/status", cast_to=dict)["cancelled"] if not FAKE else 0
    stream = client.chat.completions.create(model=model, messages=HI, max_tokens=2000, stream=True,
                                            extra_body={"ignore_eos": True})
    next(iter(stream))
    stream.close()
    if not FAKE:
        for _ in range(50):
            if client.get("/status", cast_to=dict)["cancelled"] > before:
                break
            threading.Event().wait(0.1)
        assert client.get("/status", cast_to=dict)["cancelled"] > before


def test_many_at_once(client, model):
    texts: list[str | None] = [None] * 16

    def ask(i: int) -> None:
        answer = client.chat.completions.create(model=model, messages=HI, max_tokens=8, temperature=0)
        texts[i] = answer.choices[0].message.content

    threads = [threading.Thread(target=ask, args=(i,)) for i in range(len(texts))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(texts)) == 1 and texts[0] is not None
