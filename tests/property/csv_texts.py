"""CSV files for property tests: any quoting and line ends, in few bytes."""

from __future__ import annotations

from hypothesis import strategies as st

_FIELDS = st.text(alphabet=st.sampled_from('ab",;|\t\r\n é'), max_size=6)
DELIMITERS = st.sampled_from(",;|\t")
_CUT_OFF = st.booleans()
_LINE_ENDS = st.sampled_from(["\n", "\r\n", "\r"])


@st.composite
def csv_texts(draw: st.DrawFn, delimiter: str, *, ragged: bool = False) -> str:
    """A header and rows, with any quoting and mixed line ends, blank lines and maybe no last end.

    The rows have as many fields as the header, or, where ``ragged``, any number from 1 to 4.
    """
    width = draw(st.integers(1, 3))
    widths = st.integers(1, 4) if ragged else st.just(width)
    rows = draw(
        st.lists(widths.flatmap(lambda fields: st.lists(_FIELDS, min_size=fields, max_size=fields)), max_size=12)
    )
    text = delimiter.join(f"h{number}" for number in range(width)) + draw(_LINE_ENDS)
    for row in rows:
        text += delimiter.join(_quote(field, alone=len(row) == 1) for field in row) + draw(_LINE_ENDS)
        text += draw(st.sampled_from(["", "", "", "\n", "\r\n\r\n"]))
    without_end = text.rstrip("\r\n")
    return without_end if draw(_CUT_OFF) and rows and not without_end.endswith('"') else text


def _quote(field: str, *, alone: bool) -> str:
    needs = any(character in field for character in '",;|\t\r\n') or (alone and not field)
    return '"' + field.replace('"', '""') + '"' if needs else field
