"""The contract: one YAML file that maps a robot's topics to observations and chunks to topics.

`errors` and `reading` know nothing of ROS or of converters; the converters parse their options
with them; `schema` and `loading` stand on the converters; `live` compares with a running graph.
"""
