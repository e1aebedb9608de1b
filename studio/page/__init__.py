"""What every tab is given: workspace, chosen run, place in the URL, the signal to draw again."""
