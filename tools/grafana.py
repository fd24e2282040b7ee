#!/usr/bin/env python3
"""Writes docs/grafana.json: a Grafana dashboard of what `tessera serve` tells Prometheus.

    tools/grafana.py > docs/grafana.json
"""
import json


def quantiles(histogram):
    return [(f"p{q}", f"histogram_quantile(0.{q}, sum by (le) (rate({histogram}_bucket[5m])))") for q in (50, 90, 99)]


PANELS = [  # title, unit, [(legend, expression)]
    ("Time to first token", "s", quantiles("tessera_time_to_first_token_seconds")),
    ("Between tokens", "s", quantiles("tessera_inter_token_seconds")),
    ("From a token's drawing to the socket", "s", quantiles("tessera_token_delivery_seconds")),
    ("Tokens per second", "short", [
        ("answers", "sum(rate(tessera_new_tokens_total[1m]))"),
        ("prompts", "sum(rate(tessera_prompt_tokens_total[1m]))")]),
    ("Requests", "short", [
        ("running", "sum(tessera_sequences_running)"),
        ("waiting", "sum(tessera_requests_waiting)"),
        ("{{outcome}} a minute", "sum by (outcome) (rate(tessera_requests_total[5m])) * 60")]),
    ("KV cache", "percentunit", [
        ("{{use}}", "sum by (use) (tessera_kv_blocks) / ignoring(use) group_left sum(tessera_kv_blocks)")]),
    ("Found in caches", "percentunit", [
        ("rows of prompts", 'sum(rate(tessera_prompt_tokens_total{from="prefix_cache"}[5m])) / sum(rate(tessera_prompt_tokens_total[5m]))'),
        ("pictures", 'sum(rate(tessera_pictures_total{from="image_cache"}[5m])) / sum(rate(tessera_pictures_total[5m]))')]),
    ("Devices busy", "percentunit", [
        ("{{instance}} {{device}}", "rate(tessera_device_busy_seconds_total[1m])")]),
    ("Measured over planned decode time", "short", [
        ("{{instance}} {{device}}",
         "rate(tessera_device_decode_measured_seconds_total[5m]) / rate(tessera_device_decode_planned_seconds_total[5m])")]),
    ("Sequences put back", "short", [("a minute", "sum(rate(tessera_preemptions_total[5m])) * 60")]),
    ("Ready", "short", [("{{instance}}", "tessera_ready")]),
]


def panel(index, title, unit, targets):
    return {
        "id": index + 1, "type": "timeseries", "title": title,
        "datasource": {"type": "prometheus", "uid": "${source}"},
        "gridPos": {"h": 8, "w": 12, "x": 12 * (index % 2), "y": 8 * (index // 2)},
        "fieldConfig": {"defaults": {"unit": unit, "min": 0}, "overrides": []},
        "targets": [{"refId": chr(ord("A") + i), "expr": expression, "legendFormat": legend}
                    for i, (legend, expression) in enumerate(targets)],
    }


print(json.dumps({
    "title": "Tessera", "uid": "tessera", "schemaVersion": 39, "refresh": "10s",
    "time": {"from": "now-1h", "to": "now"},
    "templating": {"list": [{"name": "source", "type": "datasource", "query": "prometheus"}]},
    "panels": [panel(i, *one) for i, one in enumerate(PANELS)],
}, indent=1))
