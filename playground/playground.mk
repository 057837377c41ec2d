# Everything on one machine, with a simulated shop.

PREPARED := .jars/.archived

.PHONY: demo
demo: setup ## the whole pipeline once: shop, Debezium, Kafka, lake, star schema, reconciled
	@$(PYTHON) -m playground demo

.PHONY: up
up: setup ## start services, shop, landing and builds in the background, to play with
	@$(PYTHON) -m playground up

.PHONY: services
services: setup ## the same without landing and builds, to do these by hand
	@$(PYTHON) -m playground up --by-hand

.PHONY: down
down: setup ## stop them; the data stays in data/
	@$(PYTHON) -m playground down

.PHONY: down-first
clean: down-first
down-first:
	@if [ -x $(PYTHON) ]; then $(PYTHON) -m playground down; fi

.jars/.archived: .venv/.packages .jars/.transforms
	@scripts/setup archive
	@touch $@
