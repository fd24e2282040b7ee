"""Plain completions, models, and what is not OpenAI's."""

import json
import re
import urllib.request

from conftest import FAKE, URL


def get(path: str):
    import os
    request = urllib.request.Request(URL + path, headers={"Authorization": "Bearer " + os.environ["OPENAI_API_KEY"]})
    return urllib.request.urlopen(request, timeout=20)


def test_models(client, model):
    assert client.models.retrieve(model).id == model


def test_completions(client, model):
    answer = client.completions.create(model=model, prompt="Once upon", max_tokens=6, temperature=0)
    assert answer.object == "text_completion" and answer.usage.completion_tokens <= 6
    text = "".join(chunk.choices[0].text for chunk in client.completions.create(
        model=model, prompt="Once upon", max_tokens=6, temperature=0, stream=True))
    assert text == answer.choices[0].text
    echoed = client.completions.create(model=model, prompt="Once upon", max_tokens=6, temperature=0, echo=True)
    assert echoed.choices[0].text == "Once upon" + answer.choices[0].text


def test_log_probabilities_of_completions(client, model):
    answer = client.completions.create(model=model, prompt="Once upon", max_tokens=5, temperature=0, logprobs=2)
    lists = answer.choices[0].logprobs
    assert len(lists.tokens) == len(lists.token_logprobs) == len(lists.top_logprobs) == len(lists.text_offset)
    assert lists.text_offset == sorted(lists.text_offset)
    assert all(1 <= len(top) <= 2 for top in lists.top_logprobs)


def test_tokens_and_back(client):
    tokens = client.post("/../tokenize", body={"prompt": "Hello there"}, cast_to=dict)["tokens"]
    assert client.post("/../detokenize", body={"tokens": tokens}, cast_to=dict)["content"].strip() == "Hello there"


def test_health_and_status():
    assert json.load(get("/health/live")) == {"status": "live"}
    assert json.load(get("/health/ready")) == {"status": "ready"}
    status = json.load(get("/v1/status"))
    assert status["ready"] and status["device_reports"] and status["devices"]
    assert isinstance(json.load(get("/v1/plan")), dict)


def test_metrics_are_prometheus_text():
    text = get("/metrics").read().decode()
    sample = re.compile(r'[a-z_:][a-zA-Z0-9_:]*(\{[a-z_]+="[^"]*"(,[a-z_]+="[^"]*")*\})? [-+0-9.eInfNa]+')
    for line in text.splitlines():
        assert line.startswith(("# HELP ", "# TYPE ")) or sample.fullmatch(line), line
    assert "tessera_time_to_first_token_seconds_bucket" in text


def test_events():
    with get("/v1/events") as stream:
        events = []
        while len(events) < 2:
            line = stream.readline().decode()
            if line.startswith("data: "):
                events.append(json.loads(line[6:]))
    assert events[1]["uptime_s"] >= events[0]["uptime_s"]
    if not FAKE:
        assert events[1]["uptime_s"] > events[0]["uptime_s"]
