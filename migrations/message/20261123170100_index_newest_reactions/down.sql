DROP INDEX reactions_newest;
