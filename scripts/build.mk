# Targets that call scripts: packages, run, test, lint, install.
$(BUILD)/.deps:
	@mkdir -p $(@D)
	$(Q)scripts/install-packages build
	@touch $@
