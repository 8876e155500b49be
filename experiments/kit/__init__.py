"""What experiments share, one room a question:

- ``rows``: which rows are there, and which are still to be measured?
- ``environment``: on which machine, with which versions?
- ``training``: was the run whole?
- ``folders``: is a folder there whole, or not at all?
- ``drawing``: which sentences of which labels?
- ``report``: what do several seeds say together?
- ``protocol``: does a comparison stand?
- ``command``: which part of the grid, and how does the command end?
"""
