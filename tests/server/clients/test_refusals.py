"""What the official client hears when it asks for what is not to be had."""

import openai
import pytest
from conftest import URL, picture_part

HI = [{"role": "user", "content": "Say hello."}]
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}


def refused(client, **fields) -> openai.BadRequestError:
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(messages=HI, **fields)
    return caught.value


def test_an_unknown_model(client):
    with pytest.raises(openai.NotFoundError) as caught:
        client.chat.completions.create(model="no-such-model", messages=HI)
    assert caught.value.code == "model_not_found"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("no-such-model")


def test_tools(client, model):
    error = refused(client, model=model, tools=[TOOL])
    assert error.param == "tools" and "not supported" in error.message
    assert refused(client, model=model, functions=[TOOL["function"]]).param == "functions"
    answer = client.chat.completions.create(model=model, messages=HI, tools=[TOOL], tool_choice="none", max_tokens=2)
    assert answer.choices[0].message.tool_calls is None


@pytest.mark.parametrize(("fields", "param"), [
    ({"temperature": 3}, "temperature"),
    ({"n": 0}, "n"),
    ({"max_tokens": 0}, "max_tokens"),
    ({"logprobs": True, "top_logprobs": 99}, "top_logprobs"),
    ({"stop": ["x"] * 99}, "stop"),
    ({"logit_bias": {"1": 500}}, "logit_bias.1"),
    ({"response_format": {"type": "xml"}}, "response_format.type"),
    ({"modalities": ["audio"]}, "modalities"),
])
def test_a_field(client, model, fields, param):
    error = refused(client, model=model, **fields)
    assert error.param == param and error.type == "invalid_request_error"


def test_a_picture_from_elsewhere(client, model):
    part = {"type": "image_url", "image_url": {"url": "http://127.0.0.1:1/x.png"}}
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(model=model, messages=[{"role": "user", "content": [part]}])
    assert caught.value.param == "messages[0].content[0].image_url.url"


def test_a_picture_that_is_none(client, model, takes_pictures):
    if not takes_pictures:
        pytest.skip("the model takes no pictures")
    from conftest import FAKE
    if FAKE:
        pytest.skip("the fake engine decodes none")
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(model=model,
                                       messages=[{"role": "user", "content": [picture_part(b"not a picture")]}])
    assert caught.value.param == "messages[0].content[0].image_url.url"


def test_a_prompt_that_is_too_long(client, model):
    text = "word " * 200_000
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(model=model, messages=[{"role": "user", "content": text}])
    assert caught.value.code == "context_length_exceeded"


def test_a_full_queue_is_tried_again(model):
    """Of a server that is busy at first; others answer at once, which is as good."""
    client = openai.OpenAI(base_url=URL + "/v1", timeout=60, max_retries=3)
    assert client.chat.completions.create(model=model, messages=HI, max_tokens=2).choices
