import sys

# jsonschema would read a grammar for a second when it is imported, for the format "iri", which no notebook has.
sys.modules.setdefault("rfc3987_syntax", None)
