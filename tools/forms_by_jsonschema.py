#!/usr/bin/env python3
"""Holds answers by a schema's form against the PyPI package jsonschema, formats included.

    TESSERA_WRITE_ANSWERS=answers.jsonl build/release/tests/form/form_test --gtest_filter='Schema*'
    tools/forms_by_jsonschema.py answers.jsonl

Needs the package jsonschema, with "[format]" for all formats. Patterns are judged by Python's re.
"""

import json
import sys

from jsonschema import Draft202012Validator


def main() -> None:
    wrong = count = 0
    for line in open(sys.argv[1], encoding="utf-8"):
        record = json.loads(line)
        # "nullable" is OpenAPI's; the package does not know it.
        if "nullable" in json.dumps(record["schema"]):
            continue
        count += 1
        validator = Draft202012Validator(record["schema"], format_checker=Draft202012Validator.FORMAT_CHECKER)
        errors = list(validator.iter_errors(json.loads(record["answer"])))
        if errors:
            wrong += 1
            print(f"{json.dumps(record['schema'])}\n  {record['answer']}\n  {errors[0].message}")
    print(f"{count} answers, {wrong} not valid")
    sys.exit(1 if wrong or not count else 0)


if __name__ == "__main__":
    main()
