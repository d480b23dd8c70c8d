"""The orchestrator: plans a comparison, measures it, and says where distribution helps."""
