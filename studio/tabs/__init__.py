"""One module per tab: `build(page)` lays it out, `show_*` functions turn plain values into what it shows."""
