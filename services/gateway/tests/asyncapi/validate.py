"""Holds a JSON document on standard input against the JSON schema in the file named first."""

import json
import sys

import jsonschema

with open(sys.argv[1], encoding="utf-8") as file:
    schema = json.load(file)
errors = list(jsonschema.Draft7Validator(schema).iter_errors(json.load(sys.stdin)))
for error in errors:
    best = jsonschema.exceptions.best_match([error])
    print(f"{best.json_path}: {best.message}"[:2000], file=sys.stderr)
sys.exit(1 if errors else 0)
