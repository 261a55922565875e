"""`python -m pets_eval` is `pets-eval`."""

from pets_eval.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
