# Kiti: `make help` lists the commands.
SHELL := /bin/bash
PYTHON ?= python3
PORT ?= 8000
VENV := .venv
BIN := $(VENV)/bin
# Byte code stays out of the source tree.
export PYTHONPYCACHEPREFIX := $(CURDIR)/$(VENV)/cache/pycache

.DEFAULT_GOAL := help
.PHONY: help run test check fmt bench docs lock

help: ## list the commands
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1\t/' | expand -t 16
