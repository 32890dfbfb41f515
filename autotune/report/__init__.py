"""Reports: one offline HTML page of a finished tune, and tables for the terminal."""
