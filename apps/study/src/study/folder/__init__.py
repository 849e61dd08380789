"""A study's folder: finished jobs, what is under way, plan and tables; archives; jobs of other folders."""
