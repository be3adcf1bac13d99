"""What all linkers share: reading libraries, running tools, and making a dynamic package of a static one."""
