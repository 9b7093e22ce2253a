"""The pages of results, built from raw data: one module for each page.

`collect` copies what is small out of the folders of runs, `store` reads the
copies, `rules` says what counts as a difference, and the other modules each
write a page. No number is typed by hand.
"""
