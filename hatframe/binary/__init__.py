"""What a library file is: ELF, PE/COFF, Mach-O and archives, and their symbols."""
