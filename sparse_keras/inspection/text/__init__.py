"""What `inspect` shows of models that read texts: which tokens go to which expert.

`token_rows.py` reads rows of tokens, up to a limit; `characters.py` writes tokens so that people
can read them; `token_inspection.py` is the result; `passages.py` colours texts by expert.
"""
