"""The inbox: every verified delivery as a row, and every pending row as one call of wallet code."""
