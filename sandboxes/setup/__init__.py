"""What `make setup` does: a list of resumable steps that bring a fresh Linux machine to a running course.

`bootstrap.py` makes the virtual environment with nothing but the standard library; everything after it
is `python -m sandboxes.setup`. No step leaves a half-made result that looks whole: results are renamed
into place, and a stamp keyed by the content of the inputs is written last.
"""
